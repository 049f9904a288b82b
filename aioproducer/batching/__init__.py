"""From a record to a batch that may be sent: room, queues per partition, and when something is ready."""
