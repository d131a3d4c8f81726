-- The state of one run directory. Instants are seconds since the epoch (UTC); money is integer micro-USD.
-- A change of this file raises VERSION in database.py, and comes with a step in MIGRATIONS.

CREATE TABLE meta (
    key   TEXT PRIMARY KEY,  -- api_base, account, is_simulated, created_at, given
    value TEXT NOT NULL      -- what the state is bound to under that key; given: the words of the last run that shaped it
) STRICT, WITHOUT ROWID;

CREATE TABLE runs (
    run_id          TEXT PRIMARY KEY,  -- one execution of the command
    name            TEXT NOT NULL,     -- the manifest's name
    manifest        TEXT NOT NULL,     -- the manifest's path, as the user wrote it
    started_at      REAL NOT NULL,     -- when it began
    finished_at     REAL,              -- when it ended; NULL while it runs, and for ever after a kill
    exit_code       INTEGER,           -- what the process answered
    stopped_because TEXT,              -- why it stopped before every chosen job was ended; NULL where it did not
    time_limit      TEXT,              -- --max-duration, as the user wrote it
    ends_at         REAL,              -- when that time is over, also for a run that goes on after a kill
    number          INTEGER            -- the order in which the runs began, from 1, whatever the clock said
) STRICT, WITHOUT ROWID;

CREATE TABLE jobs (
    job_id          TEXT PRIMARY KEY,            -- the user's id
    position        INTEGER NOT NULL,            -- its place in the manifest, from 0
    model           TEXT NOT NULL,               -- the model's id
    fingerprint     TEXT NOT NULL,               -- SHA-256 of model and canonical inputs
    inputs          TEXT NOT NULL,               -- JSON: the body of the paid POST
    row             TEXT NOT NULL,               -- JSON: the source's own columns
    source          TEXT NOT NULL,               -- where it stands in the manifest
    is_gone         INTEGER NOT NULL DEFAULT 0,  -- 1: the manifest does not name it any more
    state           TEXT NOT NULL,               -- JobState
    remote_state    TEXT,                        -- RemoteState, as last seen
    remote_raw      TEXT,                        -- the service's own word
    queue_position  INTEGER,                     -- its place in the service's queue
    outputs         TEXT NOT NULL DEFAULT '[]',  -- JSON: result URLs, whole; a presigned query is a key
    failure_kind    TEXT,                        -- FailureKind of the last failure
    failure_code    TEXT,                        -- its code, which groups equal failures
    failure_message TEXT,                        -- its sentence for a person
    ready_at        REAL NOT NULL DEFAULT 0,     -- nothing is done before this instant
    tries           INTEGER NOT NULL DEFAULT 0,  -- failures of the current step in a row
    polls           INTEGER NOT NULL DEFAULT 0,  -- looks at the current request
    polled_at       REAL,                        -- the last look
    missing_since   REAL,                        -- since when the service answers 404
    is_stale        INTEGER NOT NULL DEFAULT 0,  -- 1: the result's URLs are to be read again
    is_left         INTEGER NOT NULL DEFAULT 0,  -- 1: its run did no more for it
    finished_at     REAL,                        -- when it ended
    files           TEXT NOT NULL DEFAULT '{}',  -- JSON: local photos of the request, SHA-256 to path
    paths           TEXT NOT NULL DEFAULT '[]',  -- JSON: where its outputs go, where the manifest says so
    variant         TEXT NOT NULL DEFAULT '',    -- which combination of a matrix it is
    shared_from     TEXT,                        -- the job whose request, the very same, was paid for both
    shared_request  TEXT                         -- that request's id
) STRICT, WITHOUT ROWID;

-- Who asks for the same thing: paid once, and shared.
CREATE INDEX jobs_by_fingerprint ON jobs (fingerprint);
CREATE UNIQUE INDEX jobs_by_position ON jobs (position);

CREATE TABLE attempts (
    job_id          TEXT NOT NULL REFERENCES jobs (job_id),
    number          INTEGER NOT NULL,  -- from 1
    state           TEXT NOT NULL,     -- AttemptState
    payload_sha256  TEXT NOT NULL,     -- of the bytes sent
    intended_at     REAL NOT NULL,     -- when the intent was committed, before the first byte
    reserved        INTEGER,           -- the price set aside; NULL where unknown
    request_id      TEXT UNIQUE,       -- the service's name for it
    accepted_at     REAL,              -- when the answer with the request id came
    finished_at     REAL,              -- when its outcome was known
    cost            INTEGER,           -- what the service says it charged; NULL until it says so
    failure_kind    TEXT,              -- why it ended badly
    failure_code    TEXT,              -- the failure's code
    failure_message TEXT,              -- the failure's sentence
    PRIMARY KEY (job_id, number)
) STRICT, WITHOUT ROWID;

-- The last line of defence: a second paid POST for a job is a constraint error before its first byte leaves.
CREATE UNIQUE INDEX one_open_attempt ON attempts (job_id) WHERE state IN ('intent', 'accepted', 'in_doubt');

CREATE TABLE artifacts (
    job_id     TEXT NOT NULL REFERENCES jobs (job_id),
    number     INTEGER NOT NULL,  -- which output, from 1
    path       TEXT NOT NULL,     -- relative to the run directory
    sha256     TEXT NOT NULL,     -- of the whole file
    bytes      INTEGER NOT NULL,  -- its size
    width      INTEGER,           -- pixels; NULL for videos
    height     INTEGER,           -- pixels; NULL for videos
    format     TEXT NOT NULL,     -- as decoded
    source_url TEXT NOT NULL,     -- where it came from, without the query
    traits     TEXT,              -- JSON: how it looks, coarsely; NULL for videos and where nobody looked
    PRIMARY KEY (job_id, number)
) STRICT, WITHOUT ROWID;

CREATE TABLE events (
    seq    INTEGER PRIMARY KEY,  -- the order in which things happened, whatever the clock said
    at     REAL NOT NULL,        -- when
    job_id TEXT NOT NULL,        -- to which job
    kind   TEXT NOT NULL,        -- the event's name
    data   TEXT NOT NULL         -- JSON: its other fields
) STRICT;
