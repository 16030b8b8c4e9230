"""Section 12 of docs/SPEC.md: what damage there was, and what it cost by the sequence numbers around it."""

import dataclasses

import page


@dataclasses.dataclass
class Damage:
    event: dict
    end: int
    # How many exchanges its places cost for sure; None where one of them will never tell.
    known: int | None


class Losses:
    """Keeps the events of a session in order, and completes damages when a later sequence number tells their cost."""

    def __init__(self):
        self.events = []
        # The sequence number to come; None before the first block.
        self._expected = None
        # Whether a gap since the latest block stands for numbers without saying how many.
        self._is_unsure = False
        self._pending = []
        self._latest = None

    def exchange(self, exchange):
        self.events.append({"exchange": exchange})
        self._expected = exchange["seq"] + 1

    def gap(self, gap):
        self.events.append({"gap": gap})
        if gap["reason"] in page.GAPS_WITH_NUMBERS and self._expected is not None:
            self._expected += gap["exchanges"]
            self._is_unsure |= gap["exchanges"] == 0

    def other(self, event):
        self.events.append(event)

    def block(self, segment, at, first):
        """A block begins with the sequence number `first`: what came before it is complete."""
        missing = None if self._expected is None or self._is_unsure else first - self._expected
        if missing is not None and missing < 0:
            # Numbers that run backwards tell nothing.
            missing = None
        if not self._pending and missing:
            # Section 7: no jump in the numbers is right without a gap or damage; records were taken away here.
            self._add(segment, at, at, missing)
        if len(self._pending) > 1 and missing != 0:
            # What several damages cost together is no single one's.
            missing = None
        for damage in self._pending:
            damage.known = None if damage.known is None or missing is None else damage.known + missing
            damage.event["exchanges"] = damage.known
        self._pending = []
        self._is_unsure = False
        self._expected = first

    def unreadable(self, segment, at, end):
        """Bytes that are no record, or a record other than a block whose payload does not decode."""
        if self._joins(segment, at):
            self._extend(end)
        else:
            self._add(segment, at, end, 0)
        self._latest.event["exchanges"] = None
        if not any(damage is self._latest for damage in self._pending):
            self._pending.append(self._latest)

    def missed(self, segment, at):
        """Records were taken away in front of `at`; damage that is there already explains it."""
        if not self._pending:
            self.unreadable(segment, at, at)

    def block_content(self, segment, at, end, missing):
        """A block that does not decode from some exchange on: `missing` are not told, and their numbers are known."""
        if self._joins(segment, at):
            self._extend(end)
            if self._latest.known is not None:
                self._latest.known += missing
            self._latest.event["exchanges"] = self._latest.known
        else:
            self._add(segment, at, end, missing)
        self._expected += missing

    def _joins(self, segment, at):
        # An exchange, a gap or bytes that could be read keep two bad places apart.
        if self._latest is None or not self.events:
            return False
        event = self.events[-1].get("damage")
        return event is self._latest.event and event["segment"] == segment and self._latest.end == at

    def _extend(self, end):
        self._latest.event["len"] += end - self._latest.end
        self._latest.end = end

    def _add(self, segment, at, end, known):
        event = {"segment": segment, "at": at, "len": end - at, "exchanges": known}
        self.events.append({"damage": event})
        self._latest = Damage(event, end, known)
