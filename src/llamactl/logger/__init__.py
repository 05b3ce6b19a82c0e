"""Writes the job log from Python: one row for each thing done to an entity, with its root, after the commit.

docs/logger.md says how, and what is lost when.
"""

from llamactl.logger.aio import AsyncLlamaLogger
from llamactl.logger.buffer import Counters
from llamactl.logger.bullmq import context_from_bullmq, flow_for_bullmq
from llamactl.logger.context import Job, JobContext, current_job
from llamactl.logger.rules import Category, Entity, RowValues, Status
from llamactl.logger.sync import LlamaLogger

__all__ = [
    "AsyncLlamaLogger",
    "Category",
    "Counters",
    "Entity",
    "Job",
    "JobContext",
    "LlamaLogger",
    "RowValues",
    "Status",
    "context_from_bullmq",
    "current_job",
    "flow_for_bullmq",
]
