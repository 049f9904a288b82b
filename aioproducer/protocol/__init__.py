"""Kafka's wire protocol: messages, their bytes in every version, and which version to speak. No input and no output."""
