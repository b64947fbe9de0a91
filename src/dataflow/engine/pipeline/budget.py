"""The limit on what a run spends: no request starts that could pass it.

Each request in flight holds a reservation, the most that it may cost: the bound of what it reads
(`billing/prompt_bound.py`) and the longest answer it may get. Where the next one's does not fit
beside what is spent and reserved, it waits until those in flight are back, which mostly cost less;
where nothing is in flight and it still does not fit, the run ends.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from decimal import Decimal

from dataflow.billing.price import FREE, NoPrice, Price, dollars
from dataflow.billing.prompt_bound import PromptBound, RequestSize, size_of
from dataflow.core.errors import DataflowError, LimitReachedError, UsageError
from dataflow.core.protocols.batch import BatchServing
from dataflow.core.protocols.serving import AsyncServing, sampling_of
from dataflow.core.request import Reply, Request, Usage
from dataflow.engine.job import Job
from dataflow.engine.pipeline.stages import may_be_paid_for
from dataflow.engine.plan import Plan
from dataflow.engine.reporting.progress import Progress


@dataclass(frozen=True, slots=True)
class SpendReservation:
    """What one request may cost at most.

    Attributes:
        tokens: Read and written.
        cost: US dollars.
        size: Of the request.
        price: Of its tokens.
    """

    tokens: int
    cost: Decimal
    size: RequestSize
    price: Price = FREE


_NOTHING = SpendReservation(0, Decimal(0), RequestSize(0, 0, 0))


def check_spend_limit(plan: Plan) -> None:
    """Refuse a spend limit that cannot be kept.

    Raises:
        UsageError: it is no number, the price is not known, answers may be of any length, or the
            requests go into batches.
    """
    if plan.spend_limit.cost is not None and not plan.spend_limit.cost.is_finite():
        raise UsageError("--max-cost is a number of US dollars")
    if plan.spend_limit and isinstance(plan.serving, BatchServing):
        raise UsageError(
            "--max-cost and --max-tokens-total are not kept in batches, where everything is asked "
            "at once: bound the run by --limit, after dataflow estimate"
        )
    if plan.spend_limit.cost is not None and isinstance(plan.price, NoPrice):
        raise UsageError(f"--max-cost needs a price: {plan.price.reason}")
    fallback = plan.reject_policy.fallback
    if plan.spend_limit.cost is not None and fallback and isinstance(fallback.price, NoPrice):
        raise UsageError(f"--max-cost needs the fallback model's price: {fallback.price.reason}")
    if plan.spend_limit and _longest_answer(plan.serving, None) is None:
        raise UsageError(
            "--max-cost and --max-tokens-total need --max-tokens: without it one answer may be of "
            "any length, and cost anything"
        )


class Budget:
    """One run's spending, used from its event loop only.

    Args:
        plan: The run; its limit was checked.
    """

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._limit = plan.spend_limit
        self._progress = plan.progress
        self._bound = PromptBound()
        self._longest_answer = 0
        self._has_answer = False
        self._reserved = 0
        self._tokens = 0
        self._cost = Decimal(0)
        self._turn = asyncio.Lock()
        self._back = asyncio.Event()

    async def acquire(self, job: Job) -> SpendReservation:
        """Wait, first come first served, until the job's request fits under the limit.

        Raises:
            LimitReachedError: it does not, and nothing is in flight that could free space.
        """
        if not self._limit:
            return _NOTHING
        async with self._turn:
            while True:
                reservation = self._worst(job)
                if self._fits(reservation):
                    break
                if not self._reserved:
                    raise LimitReachedError(self._message(reservation))
                self._back.clear()
                await self._back.wait()
        self._reserved += 1
        self._add(reservation.tokens, reservation.cost)
        return reservation

    def hand_back(self, reservation: SpendReservation) -> None:
        """The request was not sent."""
        self._settle(reservation, 0, Decimal(0))

    def release(self, reservation: SpendReservation, outcome: Reply | DataflowError) -> None:
        """The request has ended: its reservation goes, and what it used stays."""
        if not self._limit:
            return
        usage = outcome.usage or Usage()
        self._has_answer = self._has_answer or isinstance(outcome, Reply)
        endpoint = outcome.endpoint if isinstance(outcome, Reply) else ""
        cost = reservation.price.cost(usage, endpoint)
        if usage.prompt_tokens is not None and usage.completion_tokens is not None:
            self._bound.learn(reservation.size, usage.prompt_tokens)
            self._longest_answer = max(self._longest_answer, usage.completion_tokens)
            tokens = usage.prompt_tokens + usage.completion_tokens
            self._settle(reservation, tokens, cost or Decimal(0))
        elif may_be_paid_for(outcome):
            # nobody says what it cost: it counts as the most that it may have cost
            self._progress.assumed += 1
            self._progress.assumed_cost += reservation.cost
            self._progress.assumed_tokens += reservation.tokens
            self._settle(reservation, reservation.tokens, reservation.cost)
        else:
            self._settle(reservation, 0, Decimal(0))

    def _settle(self, reservation: SpendReservation, tokens: int, cost: Decimal) -> None:
        if self._limit:
            self._reserved -= 1
            self._add(tokens - reservation.tokens, cost - reservation.cost)
            self._back.set()

    def _add(self, tokens: int, cost: Decimal) -> None:
        self._tokens += tokens
        self._cost += cost

    def _fits(self, reservation: SpendReservation) -> bool:
        if self._reserved and not self._has_answer:
            return False  # the first one goes alone, to tell how much the server counts
        limit = self._limit
        return (limit.cost is None or self._cost + reservation.cost <= limit.cost) and (
            limit.tokens is None or self._tokens + reservation.tokens <= limit.tokens
        )

    def _worst(self, job: Job) -> SpendReservation:
        request, serving = job.asking or job.request, self._plan.serving_of(job)
        assert request is not None  # noqa: S101 - only such jobs are asked
        size = size_of(request, job.pictures, serving.model)
        prompt = self._bound.most(size)
        given = _longest_answer(serving, request) or 0
        # a server that does not keep to the limit it was given is not trusted to
        answer = given if self._longest_answer <= given else 2 * self._longest_answer
        price = self._plan.price_of(job)
        if isinstance(price, NoPrice):
            price = FREE  # then only tokens are limited
        return SpendReservation(prompt + answer, price.most(prompt, answer), size, price)

    def _message(self, reservation: SpendReservation) -> str:
        progress, limit = self._progress, self._limit
        if limit.cost is not None and self._cost + reservation.cost > limit.cost:
            name, most = "--max-cost", dollars(limit.cost)
            spent, worst = dollars(self._cost), dollars(reservation.cost)
            assumed = dollars(progress.assumed_cost)
            rest = _rest(progress, self._cost)
            to_finish = None if rest is None else dollars(rest)
        else:
            name, most = "--max-tokens-total", f"{limit.tokens:,} tokens"
            spent, worst = f"{self._tokens:,} tokens", f"{reservation.tokens:,}"
            assumed = f"{progress.assumed_tokens:,} tokens"
            rest = _rest(progress, Decimal(self._tokens))
            to_finish = None if rest is None else f"{int(rest):,} tokens"
        if progress.assumed:
            spent += (
                f" counted ({assumed} of it assumed, as the server reported no tokens for "
                f"{progress.assumed:,} answers)"
            )
        else:
            spent += " spent"
        text = f"{name} {most} is reached: {spent}, and the next request may take {worst}"
        failed = ", ".join(f"{kind} {count:,}" for kind, count in progress.failures.most_common(3))
        if failed:
            text += f". Failed so far: {failed}"
        if to_finish is None and progress.asked_again:
            count = progress.asked_again
            return f"{text}; {count:,} answers came, and the checks rejected each of them"
        if to_finish is None:
            return f"{text}; nothing is answered so far: a higher limit is needed to begin"
        return f"{text}; the other {_left(progress):,} captions take about {to_finish} more"


def _rest(progress: Progress, spent: Decimal) -> Decimal | None:
    """What the captions still to come take, by what the others took; None before there is any."""
    finished = progress.captioned + progress.failed
    return spent / finished * _left(progress) if finished and spent else None


def _left(progress: Progress) -> int:
    done = progress.captioned + progress.failed + progress.reused
    return max(0, (progress.wanted or 0) - done)


def _longest_answer(serving: AsyncServing, request: Request | None) -> int | None:
    """The tokens that an answer may have at most; None where nothing limits it."""
    sampling = sampling_of(serving, request)
    given = [sampling.get(name) for name in ("max_tokens", "max_completion_tokens")]
    return max((number for number in given if isinstance(number, int)), default=None)
