"""The exception tree: its shape, what each class says of itself, that an error survives being copied and pickled."""

from __future__ import annotations

import copy
import pickle

import pytest

from aioproducer import errors
from aioproducer.errors import (
    BrokerError,
    ConfigurationError,
    DeliveryTimeoutError,
    KafkaError,
    NotEnoughReplicasError,
    Persisted,
    RequestTimedOutError,
)

CLASSES = [value for value in vars(errors).values() if isinstance(value, type) and issubclass(value, KafkaError)]
BROKER_CLASSES = [each for each in CLASSES if issubclass(each, BrokerError) and each is not BrokerError]


def make(error_class: type[KafkaError]) -> KafkaError:
    if issubclass(error_class, ConfigurationError):
        return error_class(["linger_ms=-1: too small", "acks=7: unknown"])
    return error_class("orders[3] was not sent", persisted=Persisted.MAYBE)


@pytest.mark.parametrize("error_class", CLASSES)
def test_every_class_is_exported_and_drawn_in_the_tree(error_class: type[KafkaError]) -> None:
    assert error_class.__name__ in errors.__all__
    assert errors.__doc__ is not None
    assert error_class.__name__ in errors.__doc__


@pytest.mark.parametrize("error_class", CLASSES)
def test_every_class_says_what_it_means(error_class: type[KafkaError]) -> None:
    assert error_class.__doc__
    assert error_class.__doc__ != error_class.__mro__[1].__doc__


@pytest.mark.parametrize(
    ("error_class", "builtin"),
    [
        (errors.ConfigurationError, ValueError),
        (errors.InvalidArgumentError, ValueError),
        (errors.ArgumentTypeError, TypeError),
        (errors.SerializationError, ValueError),
        (errors.PartitionerError, ValueError),
        (errors.MisuseError, RuntimeError),
        (errors.ProducerClosedError, RuntimeError),
        (errors.KafkaTimeoutError, TimeoutError),
        (errors.RequestTimedOutError, TimeoutError),
        (errors.ConnectionFailedError, ConnectionError),
        (errors.RecordTooLargeError, ValueError),
        (errors.InvalidTopicError, ValueError),
    ],
)
def test_errors_are_caught_by_the_builtin_that_python_has_for_them(
    error_class: type[KafkaError], builtin: type[Exception]
) -> None:
    with pytest.raises(builtin):
        raise make(error_class)


@pytest.mark.parametrize("error_class", CLASSES)
@pytest.mark.parametrize("copied", [copy.copy, lambda error: pickle.loads(pickle.dumps(error))])
def test_a_copy_has_the_message_and_every_attribute(error_class: type[KafkaError], copied: object) -> None:
    error = make(error_class)
    assert callable(copied)
    twin = copied(error)
    assert type(twin) is error_class
    assert str(twin) == str(error)
    assert twin.args == error.args
    assert vars(twin) == vars(error)
    assert twin.persisted is error.persisted


def test_attributes_given_to_one_error_leave_its_class_alone() -> None:
    error = BrokerError("produce failed", code=19, name="NOT_ENOUGH_REPLICAS", retriable=True, persisted=Persisted.YES)
    assert (error.code, error.name, error.retriable, error.persisted) == (
        19,
        "NOT_ENOUGH_REPLICAS",
        True,
        Persisted.YES,
    )
    assert (BrokerError.code, BrokerError.retriable, BrokerError.persisted) == (-1, False, Persisted.NO)


def test_attributes_not_given_are_those_of_the_class() -> None:
    assert make(NotEnoughReplicasError).retriable
    assert NotEnoughReplicasError("x").persisted is Persisted.NO
    assert RequestTimedOutError("x").persisted is Persisted.MAYBE
    assert not DeliveryTimeoutError("x").fatal


def test_configuration_faults_are_kept_apart_and_joined_in_the_message() -> None:
    error = ConfigurationError(["linger_ms=-1: too small", "acks=7: unknown"])
    assert error.faults == ("linger_ms=-1: too small", "acks=7: unknown")
    assert str(error) == "linger_ms=-1: too small; acks=7: unknown"


def test_broker_classes_have_codes_and_names_of_their_own() -> None:
    assert NotEnoughReplicasError in BROKER_CLASSES
    assert len({each.code for each in BROKER_CLASSES}) == len(BROKER_CLASSES)
    assert len({each.name for each in BROKER_CLASSES}) == len(BROKER_CLASSES)
