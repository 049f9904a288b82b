"""This producer beside aiokafka and confluent-kafka: same broker, same records, same guarantees, one table.

`python -m benchmarks --help` is the entry. Every client runs in a process of its own, made anew for every round, and
the clients take turns, so that a slow minute of the machine hits all of them. Figures are taken inside that process
(`worker`); the parent only starts the broker, counts what arrived in the log, and writes the report.
"""
