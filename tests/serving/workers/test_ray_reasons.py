"""Why an actor is gone, out of Ray's words."""

from __future__ import annotations

import pytest

from dataflow.serving.workers.ray_actors import AUTH_CURE, MOST_REASON, _reason_of

DIED = """The actor died unexpectedly before finishing this task.
\tclass_name: RayWorker
\tactor_id: 99f42e374d557f2f59322ad405000000
\tpid: 712
\tnamespace: b7
\tip: 10.0.0.7
The actor died because its node has died. Node Id: 77
\tthe actor's node was terminated unexpectedly: health check failed
"""


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (DIED, ("The actor died because its node has died. Node Id: 77 the actor's node was "
               "terminated unexpectedly: health check failed")),
        ("The actor is dead.", "The actor is dead."),
        (
            "It died.\nThe actor never ran - it was cancelled before it started running.",
            "The actor never ran - it was cancelled before it started running. " + AUTH_CURE,
        ),
        ("", "Ray does not say why"),
        ("a\n" + "b" * 1000, "b" * MOST_REASON),
    ],
)  # fmt: skip
def test_the_reason_stands_without_the_names_of_the_actor(text, reason):
    assert _reason_of(text) == reason
