"""`python -m aioproducer`: the command line, see `aioproducer.cli`."""

import sys

from aioproducer.cli import main

sys.exit(main())
