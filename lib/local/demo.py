"""The demo: deploy TapStack to an embedded AWS, replay real prices, watch alerts arrive."""

from __future__ import annotations

import csv
import json
import os
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from statistics import median
from typing import Any, NoReturn

from rich.console import Console
from rich.status import Status
from rich.table import Table

from lib.local.deployment import QUICK_RETRIES, Deployment, check
from lib.local.emulator import Emulator, running_emulator
from lib.local.errors import LocalError
from lib.local.processes import Running
from lib.local.toolchain import find_toolchain
from lib.local.virtual_environment import is_installed, virtual_environment
