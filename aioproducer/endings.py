"""The errors with which records and calls end because the producer does. Words only; when it ends is `runtime`'s."""

from __future__ import annotations

from aioproducer.background import CancelledFromOutsideError
from aioproducer.batching.batch import Batch
from aioproducer.errors import KafkaError, Persisted, ProducerClosedError, ProducerFailedError


def is_bug(cause: BaseException) -> bool:
    """Whether a background task that died of this died of itself."""
    return isinstance(cause, Exception) and not isinstance(cause, CancelledFromOutsideError)


def failed_error(cause: BaseException, persisted: Persisted) -> ProducerFailedError:
    """The error of a record that was pending when a background task died, and of every call after it."""
    if is_bug(cause):
        what = f"a background task died ({cause!r}), which is a bug: close this producer and make a new one"
    elif isinstance(cause, CancelledFromOutsideError):
        what = f"{cause}: close a producer before its loop, or what it needs, is ended"
    else:
        what = f"a background task was interrupted by {cause!r}: close this producer and make a new one"
    error = ProducerFailedError(f"the producer can not go on: {what}", persisted=persisted)
    error.__cause__ = cause
    return error


def closed_error(batch: Batch) -> KafkaError:
    """The error of a batch that was not settled when the producer was closed."""
    maybe = "may be in the log" if batch.persisted is Persisted.MAYBE else "are not in the log"
    last = f"; the last error was: {batch.last_error}" if batch.last_error is not None else ""
    error = ProducerClosedError(
        f"the producer was closed before {batch.count} records to {batch.queue.topic}[{batch.queue.partition}] were "
        f"acknowledged; after {batch.attempts} attempts they {maybe}{last}",
        persisted=batch.persisted,
    )
    error.__cause__ = batch.last_error
    return error
