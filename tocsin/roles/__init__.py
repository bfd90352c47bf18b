"""The roles of a Tocsin on Kafka: listen, detect, alert and seal, one file each."""
