package tocsin.node;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.jar.JarFile;
import java.util.zip.ZipEntry;
import org.elasticsearch.common.logging.LogConfigurator;
import org.elasticsearch.common.settings.Settings;
import org.elasticsearch.env.Environment;
import org.elasticsearch.http.HttpServerTransport;
import org.elasticsearch.node.Node;
import org.elasticsearch.plugins.PluginsLoader;

/**
 * One Elasticsearch node on the loopback interface, without security: {@code DevelopmentNode MODULES HOME [key=value …]}.
 * Says {@code ready http://127.0.0.1:PORT} on standard output once it answers; ends in order on SIGTERM.
 */
public final class DevelopmentNode {
    private DevelopmentNode() {}

    public static void main(String[] arguments) throws Exception {
        Path modules = Path.of(arguments[0]).toAbsolutePath();
        Path home = Path.of(arguments[1]).toAbsolutePath();
        Path configuration = Files.createDirectories(home.resolve("config"));
        describeModules(modules);
        logWarnings();

        Environment environment = new Environment(settings(home, arguments), configuration);
        PluginsLoader plugins =
            PluginsLoader.createPluginsLoader(PluginsLoader.loadModulesBundles(modules, false), Set.of(), Map.of(), false);
        Node node = new Node(environment, plugins);
        CountDownLatch closed = new CountDownLatch(1);
        Runtime.getRuntime().addShutdownHook(new Thread(() -> close(node, closed)));
        node.start();
        int port = node.injector().getInstance(HttpServerTransport.class).boundAddress().publishAddress().getPort();
        System.out.println("ready http://127.0.0.1:" + port);
        closed.await();
    }

    private static Settings settings(Path home, String[] arguments) {
        Settings.Builder settings = Settings.builder()
            .put("path.home", home)
            .put("path.data", home.resolve("data"))
            .put("path.logs", home.resolve("logs"))
            .put("cluster.name", "tocsin-development")
            .put("node.name", "node-1")
            .put("discovery.type", "single-node")
            .put("network.host", "127.0.0.1")
            .put("http.port", 0)
            .put("transport.port", 0)
            .put("cluster.routing.allocation.disk.threshold_enabled", false);
        for (int index = 2; index < arguments.length; index++) {
            String[] pair = arguments[index].split("=", 2);
            settings.put(pair[0], pair[1]);
        }
        return settings.build();
    }

    private static void logWarnings() {
        LogConfigurator.configureESLogging();
        LogConfigurator.configureWithoutConfig(Settings.builder()
            .put("logger.level", "WARN")
            .put("logger.org.elasticsearch.nativeaccess", "ERROR") // the native helpers are not published; all works without
            .build());
        LogConfigurator.registerErrorListener();
    }

    /**
     * A module is a folder of jars with a descriptor beside them, which each published jar carries inside. The module name
     * is dropped from it, because here everything is on the class path.
     */
    private static void describeModules(Path modules) throws IOException {
        try (DirectoryStream<Path> folders = Files.newDirectoryStream(modules)) {
            for (Path folder : folders) {
                describeModule(folder, "META-INF/es-plugins/" + folder.getFileName() + "/plugin-descriptor.properties");
            }
        }
    }

    private static void describeModule(Path folder, String entryName) throws IOException {
        Path descriptor = folder.resolve("plugin-descriptor.properties");
        if (Files.exists(descriptor)) {
            return;
        }
        try (DirectoryStream<Path> jars = Files.newDirectoryStream(folder, "*.jar")) {
            for (Path path : jars) {
                try (JarFile jar = new JarFile(path.toFile())) {
                    ZipEntry entry = jar.getEntry(entryName);
                    if (entry != null) {
                        String text = new String(jar.getInputStream(entry).readAllBytes(), StandardCharsets.UTF_8);
                        Path draft = Files.createTempFile(folder, "descriptor", ".tmp");
                        Files.writeString(draft, text.replaceAll("(?m)^modulename=.*$", "modulename="));
                        Files.move(draft, descriptor, StandardCopyOption.ATOMIC_MOVE);
                    }
                }
            }
        }
    }

    private static void close(Node node, CountDownLatch closed) {
        try {
            node.close();
            node.awaitClose(10, TimeUnit.SECONDS);
        } catch (IOException | InterruptedException error) {
            error.printStackTrace();
        } finally {
            closed.countDown();
        }
    }
}
