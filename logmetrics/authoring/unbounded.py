"""Names of labels and fields that have something new in each event: `check` refuses them, `init` never chooses them."""

from __future__ import annotations

_NAMES_TEXT = """
    session_id trace_id span_id request_id correlation_id transaction_id conversation_id thread_id message_id event_id
    run_id task_id job_id call_id tool_call_id invocation_id execution_id user_id
    email ip client_ip remote_addr uuid guid id
    prompt completion message msg text content body query question
    error_message exception traceback stack stacktrace
    url uri timestamp ts
"""
UNBOUNDED = frozenset(_NAMES_TEXT.split())
# As names of fields these are also of objects and names: `model.id`, `completion.model`.
_OF_OBJECTS = frozenset({"id", "completion", "query", "text", "exception"})


def is_unbounded(label: str) -> bool:
    """Whether a label of that name is new in each event, or nearly so. Whoever means it says allow_unbounded."""
    return squeezed(label) in _SQUEEZED


def is_unbounded_field(key: str) -> bool:
    """The same for the last key of a field's path."""
    return is_unbounded(key) and squeezed(key) not in _OF_OBJECTS


def squeezed(name: str) -> str:
    """session_id, sessionId and SESSION-ID are one name."""
    return "".join(character for character in name.lower() if character.isalnum())


_SQUEEZED = frozenset(map(squeezed, UNBOUNDED))
