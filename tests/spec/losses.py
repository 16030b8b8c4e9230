"""Section 12 of docs/SPEC.md: what damage there was, and what it cost by the sequence numbers around it."""

import dataclasses

import page


@dataclasses.dataclass
class Damage:
    segment: int
    at: int
    end: int
    # How many exchanges its places say themselves that they cost.
    known: int = 0
    # Whether a place of it tells no cost, so that only the numbers around it do.
    is_open: bool = False


class Losses:
    """Keeps the events of a session in order. A damage stands where its cost is known."""

    def __init__(self):
        self.events = []
        # The sequence number to come; None where it may be any.
        self._expected = None
        self._pending = []
        self._latest = 0

    def first_segment(self):
        """The segment with number 1 begins: so do sequence numbers."""
        self._expected = 0

    def exchange(self, exchange):
        self.events.append({"exchange": exchange})

    def gap(self, gap):
        self.events.append({"gap": gap})
        self._latest = max(self._latest, gap["to_ns"])
        if gap["reason"] in page.GAPS_WITH_NUMBERS:
            self._expected = None

    def block(self, segment, at, first, count, latest):
        """A block begins: what came before it is complete."""
        self._latest = max(self._latest, latest)
        self._jump(segment, at, first)
        self._expected = first + count

    def index(self, segment, at, index):
        blocks = index["blocks"]
        end = min(blocks[-1][1] + blocks[-1][2], page.U64_MAX) if blocks else self._expected
        if end is None:
            self._tell(None)
        elif self._jump(segment, at, end):
            self._expected = end
        self.events.append({"index": index})

    def head_of_file(self, segment):
        self.events.append({"damage": {"segment": segment, "at": 0, "len": page.FILE_HEAD_BYTES, "exchanges": 0}})

    def bad(self, segment, at, end, cost=None):
        """Bytes that cannot be read, and how many exchanges they cost where they say so themselves."""
        latest = self._pending[-1] if self._pending else None
        if latest is None or (latest.segment, latest.end) != (segment, at):
            latest = Damage(segment, at, at)
            self._pending.append(latest)
        latest.end = end
        if cost is None:
            latest.is_open = True
        else:
            latest.known += cost

    def missed(self, segment, at):
        """Records were taken away in front of `at`; damage that is there already explains it."""
        if not any(damage.is_open for damage in self._pending):
            self.bad(segment, at, at)

    def end_of_segment(self, number, length, has_end, is_last):
        if any(damage.is_open for damage in self._pending):
            self._expected = None
        self._tell(None)
        if has_end:
            return
        told = self.events[-1].get("damage") if self.events else None
        self.events.append({"unfinished": number})
        if is_last:
            # What was written last was cut off, and is a part of what is missing.
            is_cut_off = told and told["segment"] == number and told["exchanges"] is None and told["len"] > 0 \
                and told["at"] + told["len"] == length
            self.events.append({"gap": {
                "reason": page.UNFINISHED, "from_ns": self._latest, "to_ns": self._latest, "connections": 0,
                "exchanges": 0, "bytes": told["len"] if is_cut_off else 0}})

    def _jump(self, segment, at, to):
        """Tells the damages before the number `to`, and returns whether it is known what is missing before it."""
        missing = None if self._expected is None or to < self._expected else to - self._expected
        if missing:
            # Section 7: no jump in the numbers is right without a gap or damage; records were taken away here.
            self.missed(segment, at)
        self._tell(missing)
        return missing is not None

    def _tell(self, missing):
        opened = sum(damage.is_open for damage in self._pending)
        for damage in self._pending:
            cost = damage.known
            if damage.is_open:
                # What several damages cost together is no single one's.
                is_told = missing is not None and (opened == 1 or missing == 0)
                cost = damage.known + missing if is_told else None
            self.events.append({"damage": {"segment": damage.segment, "at": damage.at, "len": damage.end - damage.at,
                                           "exchanges": cost}})
        self._pending = []
