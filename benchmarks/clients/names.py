"""What the clients are called, in commands and in tables. No client in here, and no import of one."""

from __future__ import annotations

OURS = "aioproducer"
UVLOOP = "aioproducer-uvloop"
SEND_ALL = "aioproducer-send-all"
AIOKAFKA = "aiokafka"
CONFLUENT = "confluent"
CONFLUENT_AIO = "confluent-aio"
CONFLUENT_THREAD = "confluent-thread"
JAVA = "java"
RAW = "raw"

EVERYBODY = (OURS, AIOKAFKA, CONFLUENT, CONFLUENT_AIO, CONFLUENT_THREAD)
"""The producers for Python that are compared."""
ASYNCIO = (OURS, AIOKAFKA, CONFLUENT_AIO, CONFLUENT_THREAD)
"""Those that do not block the loop."""

ONLY_ON: dict[str, str] = {JAVA: "real"}
"""Who takes part on one kind of broker only: Java's producer gets no record into librdkafka's mock."""

SELDOM = (CONFLUENT_THREAD, JAVA)
"""Who takes part in every other round: the two would have a quarter of all the time."""

TITLES: dict[str, str] = {
    OURS: "aioproducer",
    UVLOOP: "aioproducer on uvloop",
    SEND_ALL: "aioproducer, send_all",
    AIOKAFKA: "aiokafka",
    CONFLUENT: "confluent, delivery callback",
    CONFLUENT_AIO: "confluent AIOProducer",
    CONFLUENT_THREAD: "confluent, poll thread + futures",
    JAVA: "Java's perf tool",
    RAW: "raw round trip on asyncio",
}
