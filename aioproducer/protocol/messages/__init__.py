"""One module per API: its request, its response and their parts, as Apache Kafka's message definitions name them."""
