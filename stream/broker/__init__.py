"""What the log on Kafka is made of."""
