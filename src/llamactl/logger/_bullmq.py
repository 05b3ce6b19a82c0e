"""BullMQ: a queue's job as a place in the log, and how the jobs of a flow come to know theirs. No I/O.

A job carries its context under the key `llamactl` of its data. What BullMQ itself says goes before that: its
id, its parent's, its attempts. The package bullmq is not imported.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol, cast

from llamactl.logger._context import JobContext
from llamactl.logger._rules import EntityLike, LoggerError, new_id
from llamactl.model import ErrorCode

KEY = "llamactl"


class BullJob(Protocol):
    """What is read of the `Job` of the package bullmq."""

    id: Any
    name: Any
    data: Any
    parent: Any
    parentKey: Any
    attemptsMade: Any


def context_from_bullmq(job: BullJob, entity: EntityLike | None = None) -> JobContext:
    """Returns a BullMQ job's context, for resume(): in a worker, with the entity that the job is about.

    Its data may hold a context, as flow_for_bullmq() puts there; or that of the job which caused it, whose
    child it then is. Where neither tells the root, the logger looks the parent's up. `retry_count` is how
    many attempts were made before this one.
    """
    job_id = str(job.id or "")
    given = job.data.get(KEY) if isinstance(job.data, Mapping) else None
    context = cast(JobContext, dict(given)) if isinstance(given, Mapping) else JobContext()
    if str(context.get("job_id") or job_id) != job_id:
        context = _below(context)
    context["job_id"] = job_id
    context.setdefault("operation", str(job.name))
    context["retry_count"] = int(job.attemptsMade or 0)
    if parent := _parent_id(job):
        context["parent_job_id"] = parent
    if [above.get("job_id") for above in context.get("above", [])[:1]] != [context.get("parent_job_id")]:
        context["above"] = []  # its parent is another one, of which nothing is known
    if entity is not None:
        context["entity_type"] = entity[0]
        context["entity_id"] = None if entity[1] is None else str(entity[1])
    return context


def flow_for_bullmq(flow: Mapping[str, Any], cause: JobContext | None = None) -> dict[str, Any]:
    """Returns the flow for FlowProducer.add(), each job with an id, and with its context in its data.

    A flow's children run before their parents, so they must know the chain above them beforehand. `cause` is
    the context of the job that adds the flow, if any. What a job's data holds under `llamactl` already, as
    its entity, stays. Raises LoggerError (usage) for data that is not an object.
    """
    return _node(flow, _below(cause) if cause else JobContext())


def _node(flow: Mapping[str, Any], place: JobContext) -> dict[str, Any]:
    options, data = dict(flow.get("opts") or {}), flow.get("data")
    if data is None:
        data = {}
    if not isinstance(data, Mapping):
        message = f"The data of job {flow.get('name')!r} is not an object, so it cannot carry the context"
        raise LoggerError(ErrorCode.USAGE, message, "Wrap the data in an object")
    job_id = options["jobId"] = str(options.get("jobId") or new_id())
    context = JobContext(operation=str(flow.get("name") or ""), **place)
    context.update(data.get(KEY) or {})
    context["job_id"] = job_id
    if parent := options.get("parent"):  # a flow that is put below a job that is there
        context["parent_job_id"] = str(parent["id"])
    if not context.get("parent_job_id"):
        context.setdefault("root_job_id", job_id)
    node = {**flow, "opts": options, "data": {**data, KEY: context}}
    if children := flow.get("children"):
        node["children"] = [_node(child, _below(context)) for child in children]
    return node


def _below(cause: JobContext) -> JobContext:
    """Returns what a job's context tells of that of a job which it causes."""
    is_root = not cause.get("parent_job_id")
    context = JobContext(
        parent_job_id=cause["job_id"],
        root_job_id=cause.get("root_job_id") or (cause["job_id"] if is_root else None),
    )
    if not cause.get("logged"):
        alone = cast(JobContext, {name: value for name, value in cause.items() if name != "above"})
        context["above"] = [alone, *cause.get("above", [])]
    if "user_id" in cause:
        context["user_id"] = cause["user_id"]
    if "triggered_by" in cause:
        context["triggered_by"] = cause["triggered_by"]
    return context


def _parent_id(job: BullJob) -> str | None:
    """The id alone, as the log has it; BullMQ's key names the queue besides: "bull:albums:17"."""
    if isinstance(job.parent, Mapping) and job.parent.get("id"):
        return str(job.parent["id"])
    return str(job.parentKey).rpartition(":")[2] if job.parentKey else None
