"""The command line: reads the arguments and hands over to one module per command. Nothing else prints in this
package.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Sequence

from aioproducer.cli.demo import DemoOptions, run_demo
from aioproducer.cli.table import option_lines, option_page
from aioproducer.errors import KafkaError
from aioproducer.version import __version__


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit status is 0 if all went well."""
    options = _parser().parse_args(arguments)
    if options.command == "options":
        print("\n".join(option_page() if options.markdown else option_lines()))
        return 0
    demo = DemoOptions(bootstrap=options.bootstrap, orders=options.orders, seconds=options.seconds)
    try:
        return asyncio.run(run_demo(demo))
    except KafkaError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="aioproducer", description="The Kafka producer for asyncio services.")
    parser.add_argument("--version", action="version", version=f"aioproducer {__version__}")
    commands = parser.add_subparsers(dest="command", required=True)
    demo = commands.add_parser("demo", help="send orders while a leader moves, read them back, and show what happened")
    demo.add_argument("--bootstrap", metavar="HOST:PORT", help="a real cluster, instead of one inside this process")
    demo.add_argument("--orders", type=_positive, default=20_000, help="how many orders (default %(default)s)")
    demo.add_argument(
        "--seconds", type=_positive, default=4, help="over how many seconds they are spread (default %(default)s)"
    )
    table = commands.add_parser("options", help="every option of a producer: type, default, bounds, meaning")
    table.add_argument("--markdown", action="store_true", help="as the page of the documentation")
    return parser


def _positive(text: str) -> int:
    try:
        number = int(text)
    except ValueError:
        number = 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1 up")
    return number
