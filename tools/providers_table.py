"""The generated parts of `docs/providers.md`: from the replayed servers of the tests."""

from __future__ import annotations

from tests.servers.providers import PROVIDERS
from tests.servers.replay_server import SITUATIONS, Answer, Provider


def situations_table() -> str:
    """One line for each provider: what each of the six situations comes to."""
    lines = [
        f"| provider | {' | '.join(SITUATIONS)} |",
        f"|---|{'---|' * len(SITUATIONS)}",
    ]
    for provider in PROVIDERS:
        cells = (
            "captions",
            "any key will do" if provider.wrong_key is None else "stops",
            "any name will do" if provider.unknown_model is None else "stops, names the models",
            _waits(provider),
            _refuses(provider),
            "flagged, asked again",
        )
        lines.append(f"| {provider.name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _waits(provider: Provider) -> str:
    if provider.wait is None:
        return "waits"
    if provider.wait > 3600:
        return "stops, says when to resume"
    return f"waits {provider.wait:g} s"


def _refuses(provider: Provider) -> str:
    if provider.refusal is None:
        return "no filter of its own"
    if isinstance(provider.refusal, Answer):
        return f"row fails (HTTP {provider.refusal.status})"
    return f"row fails (`{provider.refusal}`)"


def sections() -> str:
    """A section for each provider: its line, its peculiarities, its source."""
    parts = []
    for provider in PROVIDERS:
        key = f"export {provider.key_variable}=…\n" if provider.key_variable else ""
        notes = "\n".join(f"- {note}" for note in provider.notes)
        parts.append(
            f"### {provider.name}\n\n```text\n{key}{provider.command}\n```\n\n{notes}\n\n"
            f"Source: {provider.source}."
        )
    return "\n\n".join(parts)
