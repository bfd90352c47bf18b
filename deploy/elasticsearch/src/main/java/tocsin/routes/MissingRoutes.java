package tocsin.routes;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.Arrays;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.function.Predicate;
import java.util.function.Supplier;
import org.apache.lucene.util.Version;
import org.elasticsearch.Build;
import org.elasticsearch.client.internal.node.NodeClient;
import org.elasticsearch.cluster.ClusterState;
import org.elasticsearch.cluster.ClusterStateUpdateTask;
import org.elasticsearch.cluster.metadata.DataStream;
import org.elasticsearch.cluster.metadata.MetadataDataStreamsService;
import org.elasticsearch.cluster.metadata.MetadataIndexTemplateService;
import org.elasticsearch.cluster.metadata.ProjectMetadata;
import org.elasticsearch.cluster.node.DiscoveryNodes;
import org.elasticsearch.cluster.service.ClusterService;
import org.elasticsearch.common.Strings;
import org.elasticsearch.common.regex.Regex;
import org.elasticsearch.features.NodeFeature;
import org.elasticsearch.index.Index;
import org.elasticsearch.index.IndexNotFoundException;
import org.elasticsearch.index.mapper.KeywordFieldMapper;
import org.elasticsearch.index.mapper.Mapper;
import org.elasticsearch.index.mapper.TextFieldMapper;
import org.elasticsearch.plugins.ActionPlugin;
import org.elasticsearch.plugins.MapperPlugin;
import org.elasticsearch.plugins.Plugin;
import org.elasticsearch.rest.BaseRestHandler;
import org.elasticsearch.rest.RestChannel;
import org.elasticsearch.rest.RestHandler;
import org.elasticsearch.rest.RestRequest;
import org.elasticsearch.rest.RestResponse;
import org.elasticsearch.rest.RestStatus;
import org.elasticsearch.xcontent.XContentBuilder;

/**
 * What a full distribution has and the published jars lack: the root, looking at and deleting data streams, and two field
 * types by name. The routes only translate; the work is done by the server's own classes.
 */
public final class MissingRoutes extends Plugin implements ActionPlugin, MapperPlugin {
    private ClusterService cluster;

    @Override
    public Collection<?> createComponents(PluginServices services) {
        cluster = services.clusterService();
        return List.of();
    }

    /** Stand-ins: {@code match_only_text} is text, {@code constant_keyword} is keyword without its check. */
    @Override
    public Map<String, Mapper.TypeParser> getMappers() {
        return Map.of(
            "match_only_text", TextFieldMapper.PARSER,
            "constant_keyword", (name, node, context) -> {
                node.remove("value");
                return KeywordFieldMapper.PARSER.parse(name, node, context);
            });
    }

    @Override
    public Collection<RestHandler> getRestHandlers(
            RestHandlersServices services, Supplier<DiscoveryNodes> nodes, Predicate<NodeFeature> features) {
        return List.of(
            new Handler("tocsin_root", List.of("/"), request -> this::root, RestRequest.Method.GET, RestRequest.Method.HEAD),
            new Handler("tocsin_data_streams", List.of("/_data_stream", "/_data_stream/{name}"), request -> {
                String names = request.param("name", "*");
                return channel -> describe(channel, matching(names));
            }, RestRequest.Method.GET),
            new Handler("tocsin_data_stream_delete", List.of("/_data_stream/{name}"), request -> {
                String names = request.param("name");
                return channel -> delete(channel, Set.copyOf(matching(names).values()));
            }, RestRequest.Method.DELETE));
    }

    private void root(RestChannel channel) throws IOException {
        Build build = Build.current();
        XContentBuilder body = channel.newBuilder().prettyPrint().startObject();
        body.field("name", cluster.getNodeName());
        body.field("cluster_name", cluster.getClusterName().value());
        body.field("cluster_uuid", cluster.state().metadata().clusterUUID());
        body.startObject("version");
        body.field("number", build.qualifiedVersion());
        body.field("build_flavor", build.flavor());
        body.field("build_type", build.type().displayName());
        body.field("build_hash", build.hash());
        body.field("build_date", build.date());
        body.field("build_snapshot", build.isSnapshot());
        body.field("lucene_version", Version.LATEST.toString());
        body.field("minimum_wire_compatibility_version", build.minWireCompatVersion());
        body.field("minimum_index_compatibility_version", build.minIndexCompatVersion());
        body.endObject().field("tagline", "You Know, for Search").endObject();
        channel.sendResponse(new RestResponse(RestStatus.OK, body));
    }

    private ProjectMetadata project() {
        return cluster.state().metadata().getProject();
    }

    private Map<String, DataStream> matching(String patterns) {
        Map<String, DataStream> found = new TreeMap<>();
        for (String pattern : Strings.splitStringByCommaToArray(patterns)) {
            project().dataStreams().forEach((name, stream) -> {
                if (Regex.simpleMatch(pattern, name)) {
                    found.put(name, stream);
                }
            });
            if (pattern.contains("*") == false && found.containsKey(pattern) == false) {
                throw new IndexNotFoundException(pattern);
            }
        }
        return found;
    }

    private void describe(RestChannel channel, Map<String, DataStream> streams) throws IOException {
        XContentBuilder body = channel.newBuilder().startObject().startArray("data_streams");
        for (DataStream stream : streams.values()) {
            body.startObject().field("name", stream.getName());
            body.startObject("timestamp_field").field("name", "@timestamp").endObject();
            body.startArray("indices");
            for (Index index : stream.getIndices()) {
                body.startObject().field("index_name", index.getName()).field("index_uuid", index.getUUID()).endObject();
            }
            body.endArray().field("generation", stream.getGeneration());
            body.field("template", MetadataIndexTemplateService.findV2Template(project(), stream.getName(), false));
            if (stream.getDataLifecycle() != null) {
                body.field("lifecycle", stream.getDataLifecycle());
            }
            body.endObject();
        }
        channel.sendResponse(new RestResponse(RestStatus.OK, body.endArray().endObject()));
    }

    private void delete(RestChannel channel, Set<DataStream> streams) {
        cluster.submitUnbatchedStateUpdateTask("delete-data-stream", new ClusterStateUpdateTask() {
            @Override
            public ClusterState execute(ClusterState state) {
                return MetadataDataStreamsService.deleteDataStreams(state.projectState(), streams, cluster.getSettings());
            }

            @Override
            public void onFailure(Exception failure) {
                answer(() -> new RestResponse(channel, failure), channel);
            }

            @Override
            public void clusterStateProcessed(ClusterState before, ClusterState after) {
                answer(() -> new RestResponse(RestStatus.OK,
                    channel.newBuilder().startObject().field("acknowledged", true).endObject()), channel);
            }
        });
    }

    private interface Response {
        RestResponse make() throws IOException;
    }

    private static void answer(Response response, RestChannel channel) {
        try {
            channel.sendResponse(response.make());
        } catch (IOException error) {
            throw new UncheckedIOException(error);
        }
    }

    private interface Action {
        void answer(RestChannel channel) throws Exception;
    }

    private interface Preparation {
        Action of(RestRequest request);
    }

    private static final class Handler extends BaseRestHandler {
        private final String name;
        private final Preparation preparation;
        private final List<Route> routes;

        Handler(String name, List<String> paths, Preparation preparation, RestRequest.Method... methods) {
            this.name = name;
            this.preparation = preparation;
            this.routes = paths.stream()
                .flatMap(path -> Arrays.stream(methods).map(method -> new Route(method, path))).toList();
        }

        @Override
        public String getName() {
            return name;
        }

        @Override
        public List<Route> routes() {
            return routes;
        }

        @Override
        protected RestChannelConsumer prepareRequest(RestRequest request, NodeClient client) {
            return preparation.of(request)::answer;
        }
    }
}
