"""The only place that opens connections: sessions, transactions, interrupts, retries on locks.

Every statement comes from a file; only BEGIN and its kin, and set_config, stand here.
"""

from __future__ import annotations

import logging
import os
import random
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import fields, is_dataclass
from types import FrameType
from typing import Any, TypeVar

import psycopg
from psycopg.pq import TransactionStatus

from llamactl import db_errors
from llamactl.db_connect import Target, open_connection, session_settings
from llamactl.model import ErrorCode, LlamactlError
from llamactl.queries import Query, Statement
from llamactl.settings import Settings

T = TypeVar("T")

_SET = "SELECT pg_catalog.set_config(name, value, $3) FROM unnest($1::text[], $2::text[]) AS wanted(name, value)"
