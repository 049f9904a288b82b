"""Apache Kafka's jars: gets them by Maven once, and keeps them in a cache outside of the tree.

What is in the cache is complete: a release is put together in a temporary folder and renamed, under a lock, so
neither an interrupted download nor two runs at a time leave a half one behind. Nothing here starts a broker.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from tests.support import processes

CACHE_VARIABLE = "AIOPRODUCER_KAFKA_CACHE"
"""Environment variable that names another folder for the cache."""

NEWEST = "4.3.1"
OLD = "3.9.1"
"""The last release that still speaks the versions of the APIs from before 4.0."""

_JAVA_MAJOR = 17
_DOWNLOAD_TIMEOUT = 600.0

# The server's log goes to standard error through slf4j-simple, so a binding that comes along with a release has to go.
_POM = """\
<project>
  <modelVersion>4.0.0</modelVersion>
  <groupId>aioproducer.tests</groupId>
  <artifactId>kafka</artifactId>
  <version>1</version>
  <packaging>pom</packaging>
  <dependencies>
    <dependency>
      <groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>{version}</version>
      <exclusions>
        <exclusion><groupId>org.slf4j</groupId><artifactId>slf4j-reload4j</artifactId></exclusion>
      </exclusions>
    </dependency>
    <dependency>
      <groupId>org.apache.kafka</groupId><artifactId>kafka-tools</artifactId><version>{version}</version>
      <exclusions>
        <exclusion><groupId>org.slf4j</groupId><artifactId>slf4j-reload4j</artifactId></exclusion>
      </exclusions>
    </dependency>
    <dependency>
      <groupId>org.slf4j</groupId><artifactId>slf4j-simple</artifactId><version>1.7.36</version>
    </dependency>
  </dependencies>
</project>
"""


class KafkaUnavailableError(Exception):
    """This machine can not run a real Kafka; the message says what is missing."""


def java() -> str:
    """The path of a Java that can run Kafka. Raises KafkaUnavailableError."""
    home = os.environ.get("JAVA_HOME")
    found = shutil.which("java", path=f"{home}/bin" if home else None)
    if found is None:
        raise KafkaUnavailableError(
            f"no Java: install Java {_JAVA_MAJOR} or newer, and have `java` on PATH or JAVA_HOME set"
        )
    major = _java_major(found)
    if major < _JAVA_MAJOR:
        raise KafkaUnavailableError(f"Java {major} at {found} is too old: Kafka needs Java {_JAVA_MAJOR} or newer")
    return found


def cache_directory() -> Path:
    configured = os.environ.get(CACHE_VARIABLE)
    if configured:
        return Path(configured)
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "aioproducer" / "kafka"


def kafka_jars(version: str) -> Path:
    """The folder with all jars of that release, downloaded if need be. Raises KafkaUnavailableError."""
    pom = _POM.format(version=version)
    # A release is asked for by its list of jars, so that a changed list is not taken from an older cache.
    folder = cache_directory() / f"{version}-{hashlib.sha256(pom.encode()).hexdigest()[:8]}"
    if folder.is_dir():
        return folder
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with _locked(folder.with_name(f"{folder.name}.lock")):
            # Another run may have been faster while this one waited for the lock.
            if not folder.is_dir():
                _download(pom, version, folder)
    except OSError as error:
        raise KafkaUnavailableError(
            f"the cache for Kafka's jars can not be used ({error}): set {CACHE_VARIABLE} to a writable folder"
        ) from error
    return folder


def _download(pom: str, version: str, folder: Path) -> None:
    maven = shutil.which("mvn")
    if maven is None:
        raise KafkaUnavailableError(f"no Maven: install it and have `mvn` on PATH, Kafka {version} is downloaded by it")
    with tempfile.TemporaryDirectory(prefix=f".{version}-", dir=folder.parent) as name:
        work = Path(name)
        work.joinpath("pom.xml").write_text(pom)
        output = work / "maven.log"
        process = processes.spawn(
            [maven, "-q", "-B", "-f", "pom.xml", "dependency:copy-dependencies", f"-DoutputDirectory={work / 'jars'}"],
            output=output,
            directory=work,
        )
        try:
            code = processes.wait(process, timeout=_DOWNLOAD_TIMEOUT)
        except subprocess.TimeoutExpired:
            raise KafkaUnavailableError(f"Maven had not got Kafka {version} after {_DOWNLOAD_TIMEOUT:.0f} s") from None
        finally:
            processes.kill(process)
        if code != 0 or not any(work.glob(f"jars/kafka_*-{version}.jar")):
            faults = re.findall(r"^\S*\[\S*ERROR\S*\] (.+)$", output.read_text(errors="replace"), re.MULTILINE)
            raise KafkaUnavailableError(
                f"Maven could not get Kafka {version}: {faults[0] if faults else f'exit {code}'}"
            )
        work.joinpath("jars").rename(folder)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Holds the lock; it goes with the process, so a run that was killed blocks nobody."""
    with path.open("w") as file:
        deadline = time.monotonic() + _DOWNLOAD_TIMEOUT
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise KafkaUnavailableError(f"another run holds {path} for longer than a download takes") from None
                time.sleep(0.2)
        yield


@cache
def _java_major(executable: str) -> int:
    try:
        answer = subprocess.run([executable, "-version"], capture_output=True, text=True, timeout=30, check=True)
    except (OSError, subprocess.SubprocessError) as error:
        raise KafkaUnavailableError(f"{executable} does not run: {error}") from error
    # `openjdk version "17.0.15"`; before Java 9 the first number was a 1.
    found = re.search(r'version "(?:1\.)?(\d+)', answer.stderr)
    return int(found.group(1)) if found else 0
