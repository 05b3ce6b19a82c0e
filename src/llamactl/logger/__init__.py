"""Writes the job log from Python: one row for each operation on an entity, with its root, after the commit.

docs/logger.md describes how to use it, and when rows can be lost.
"""

from llamactl.logger._aio import AsyncLlamaLogger
from llamactl.logger._buffer import Counters
from llamactl.logger._bullmq import context_from_bullmq, flow_for_bullmq
from llamactl.logger._context import Job, JobContext, current_job
from llamactl.logger._rules import Category, Entity, LoggerError, RowValues, Status
from llamactl.logger._sync import LlamaLogger

__all__ = [
    "AsyncLlamaLogger",
    "Category",
    "Counters",
    "Entity",
    "Job",
    "JobContext",
    "LlamaLogger",
    "LoggerError",
    "RowValues",
    "Status",
    "context_from_bullmq",
    "current_job",
    "flow_for_bullmq",
]
