"""What grows when topics and partitions do: this producer beside aiokafka, from 1 topic to 5,000, to 10,000 partitions.

`python -m benchmarks.growth --help` is the entry. CPU per record, the time to drain a record in each of many
partitions, memory per topic and partition that nobody uses, and the longest pause of the loop while the metadata comes.
Each run has a process of its own, and on the mock a broker of its own; the clients take turns.
"""
