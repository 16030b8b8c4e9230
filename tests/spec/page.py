"""Names and numbers that stand in docs/SPEC.md, for the decoder and the encoder. No behaviour is here."""

FILE_MAGIC = bytes.fromhex("89 52 45 4e 0d 0a 1a 0a")
VERSION = 2
MARKER = bytes.fromhex("ae 72 65 63")
FILE_HEAD_BYTES = 16
RECORD_HEAD_BYTES = 20
ENCRYPTED = 1  # bit 0 of a record's flags

# Section 3: kinds of records.
KNOWN_KINDS = range(1, 8)
HEADER, BLOCK, GAP, INDEX, END, PRIVATE_HEADER, SUMMARY = 1, 2, 3, 4, 5, 6, 7

# Section 13: limits.
PAYLOAD_BYTES_MAX = 128 << 20
SECTION_BYTES_MAX = 8 << 20
BODIES_BYTES_MAX = 128 << 20
LIST_MAX = 65_536
NUMBERS_AHEAD_MAX = 65_536
TABLE_ENTRIES_MAX = 1 << 22
VALUES_MAX = 1 << 23
VALUES_OF_A_COLUMN = 8
REFERENCES_MAX = 1 << 25
U64_MAX = (1 << 64) - 1
U32_MAX = (1 << 32) - 1
FIRST_RECORD_WITHIN_BYTES = 1 << 20

# Section 6: ids of columns.
CLIENTS, CONNECTIONS, STRINGS, TEMPLATES, BODY_LENGTHS, BODIES, BORROWED, BODY_TEMPLATES = range(1, 9)
(CONNECTION, CLIENT, PROTOCOL, EXCHANGE_END, ANSWERED, AMBIGUITY, MARKS, REQUEST_START, REQUEST_HEAD, REQUEST_END,
 RESPONSE_START, RESPONSE_HEAD, RESPONSE_END, CONNECTED, INFORMATIONAL, INFORMATIONAL_HEADS, FACTS, REPLAYED,
 REPLAYED_NUMBER, REPLAYED_COPY, TUNNEL) = range(16, 37)
(FLOW_BYTES, FLOW_FIRST, FLOW_LAST, FLOW_PIECES, FLOW_PIECE_INSTANTS, FLOW_PIECE_LENGTHS, FRAMES, FRAME_INSTANTS,
 FRAME_KINDS, FRAME_LENGTHS, FLOW_CONTENT) = range(40, 51)
REQUEST, RESPONSE = 64, 96
(HEAD, FRAMING, BODY, TOTAL_LENGTH, TRAILERS, CHUNKS, CHUNK_SIZES, PIECES, PIECE_INSTANTS, PIECE_LENGTHS, DIGEST,
 DIGEST_BYTES, REDACTED, REDACTED_NAMES, DROPPED) = range(15)
VALUES = 256  # and more: value columns

# Section 6, "Heads": what a hole of a template stands for; 2 + k is value column k.
HOLE_END, HOLE_LENGTH, HOLE_VALUE = 0, 1, 2

SOURCES = {1: "named", 2: "forwarded", 3: "peer", 4: "connection"}
PROTOCOLS = {1: "HTTP/1.0", 2: "HTTP/1.1", 3: "HTTP/2", 4: "HTTP/3"}
ENDS = dict(enumerate(
    ["complete", "client_gone", "upstream_gone", "recording_stopped", "capture_lost", "timeout"]))
AMBIGUITIES = dict(enumerate(
    [None, "both_lengths", "lengths_differ", "bad_length", "odd_transfer_coding", "bad_chunk", "bare_lf", "bare_cr",
     "obs_fold", "space_before_colon", "bad_field_line", "nul", "bad_start_line", "unasked_upgrade"]))
FRAMINGS = dict(enumerate(["none", "length", "chunked", "until_close"]))
DROPPED_BECAUSE = dict(enumerate([None, "behind", "undecodable", "truncated", "rule", "damaged"]))
GAP_REASONS = {
    "queue_full", "not_understood", "upgraded", "damaged_block", "write_failed", "parser_full", "bodies_dropped",
    "backlog_full", "breaker", "disk_floor", "unsynchronised", "panicked", "http2", "unfinished"}
UNFINISHED = "unfinished"
# Gaps of these reasons stand for sequence numbers that were given and lost (section 7).
GAPS_WITH_NUMBERS = {"write_failed", "panicked"}
FEATURES = {"encrypted", "body_templates"}
