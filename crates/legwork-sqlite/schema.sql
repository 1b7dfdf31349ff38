CREATE TABLE legwork_cancel (
    server INTEGER NOT NULL,
    id INTEGER NOT NULL,
    run INTEGER NOT NULL,
    actor TEXT NOT NULL,
    PRIMARY KEY (server, id)
) STRICT, WITHOUT ROWID;
CREATE TABLE legwork_dependency (
    parent INTEGER NOT NULL,
    child INTEGER NOT NULL,
    condition TEXT NOT NULL CHECK (condition IN ('success', 'failure', 'cancelled', 'any_end')),
    open INTEGER NOT NULL CHECK (open IN (0, 1)),
    place INTEGER NOT NULL,
    PRIMARY KEY (parent, child, condition)
) STRICT, WITHOUT ROWID;
CREATE TABLE legwork_due (
    run_at INTEGER NOT NULL,
    id INTEGER NOT NULL,
    run INTEGER NOT NULL CHECK (run BETWEEN 1 AND 4294967295),
    failures INTEGER NOT NULL CHECK (failures BETWEEN 0 AND 4294967295),
    losses INTEGER NOT NULL CHECK (losses BETWEEN 0 AND 4294967295),
    PRIMARY KEY (run_at, id)
) STRICT, WITHOUT ROWID;
CREATE TABLE legwork_event (
    n INTEGER PRIMARY KEY,
    id INTEGER NOT NULL,
    run INTEGER,
    at INTEGER NOT NULL,
    what TEXT NOT NULL
) STRICT;
CREATE TABLE legwork_job (
    id INTEGER PRIMARY KEY CHECK (id > 0),
    queue INTEGER NOT NULL,
    kind INTEGER NOT NULL,
    priority INTEGER NOT NULL CHECK (priority BETWEEN -32768 AND 32767),
    created_at INTEGER NOT NULL,
    first_state INTEGER NOT NULL,
    args BLOB NOT NULL,
    options TEXT
) STRICT;
CREATE TABLE legwork_kind (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE CHECK (length(name) BETWEEN 1 AND 128)
) STRICT;
CREATE TABLE legwork_lease (
    id INTEGER PRIMARY KEY,
    server INTEGER NOT NULL,
    claimed_at INTEGER NOT NULL,
    open INTEGER NOT NULL CHECK (open > 0),
    jobs BLOB NOT NULL
) STRICT;
CREATE TABLE legwork_migration (
    version INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    breaking INTEGER NOT NULL,
    applied_at INTEGER NOT NULL
) STRICT;
CREATE TABLE legwork_occurrence (
    recurring TEXT NOT NULL,
    at INTEGER NOT NULL,
    job INTEGER NOT NULL,
    PRIMARY KEY (recurring, at)
) STRICT, WITHOUT ROWID;
CREATE TABLE legwork_outcome (
    id INTEGER NOT NULL,
    run INTEGER NOT NULL CHECK (run > 0),
    result INTEGER NOT NULL CHECK (result BETWEEN -3 AND 8 AND result <> 0),
    server INTEGER,
    claimed_at INTEGER,
    ran_for INTEGER,
    ended_at INTEGER NOT NULL,
    failures INTEGER NOT NULL,
    asked INTEGER,
    PRIMARY KEY (id, run)
) STRICT, WITHOUT ROWID;
CREATE TABLE legwork_pause (
    queue INTEGER PRIMARY KEY,
    at INTEGER NOT NULL,
    actor TEXT NOT NULL
) STRICT;
CREATE TABLE legwork_progress (
    id INTEGER PRIMARY KEY,
    run INTEGER NOT NULL,
    share REAL NOT NULL,
    message TEXT NOT NULL
) STRICT;
CREATE TABLE legwork_queue (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE CHECK (length(name) BETWEEN 1 AND 128)
) STRICT;
CREATE TABLE legwork_ready (
    queue INTEGER NOT NULL,
    suspect INTEGER NOT NULL CHECK (suspect = (losses >= 2)),
    kind INTEGER NOT NULL,
    priority INTEGER NOT NULL CHECK (priority BETWEEN -32768 AND 32767),
    seq INTEGER NOT NULL,
    first INTEGER NOT NULL CHECK (first > 0),
    n INTEGER NOT NULL CHECK (n BETWEEN 1 AND 100 AND (n = 1 OR seq = first)),
    run INTEGER NOT NULL CHECK (run BETWEEN 1 AND 4294967295),
    failures INTEGER NOT NULL CHECK (failures BETWEEN 0 AND 4294967295),
    losses INTEGER NOT NULL CHECK (losses BETWEEN 0 AND 4294967295),
    entered_at INTEGER,
    PRIMARY KEY (queue, suspect, kind, priority, seq)
) STRICT, WITHOUT ROWID;
CREATE TABLE legwork_recurring (
    id TEXT PRIMARY KEY,
    spec TEXT NOT NULL,
    generation INTEGER NOT NULL,
    since INTEGER NOT NULL,
    last_at INTEGER,
    next_at INTEGER,
    ended INTEGER NOT NULL CHECK (ended IN (0, 1)),
    last_job INTEGER,
    revision INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE legwork_result (
    id INTEGER PRIMARY KEY,
    json BLOB NOT NULL
) STRICT;
CREATE TABLE legwork_sequence (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    next INTEGER NOT NULL CHECK (next > 0)
) STRICT;
CREATE TABLE legwork_server (
    id INTEGER PRIMARY KEY,
    incarnation TEXT NOT NULL UNIQUE CHECK (length(incarnation) = 32),
    boot TEXT,
    beat INTEGER NOT NULL,
    beat_at INTEGER NOT NULL,
    started_at INTEGER NOT NULL,
    gone_at INTEGER,
    info TEXT
) STRICT;
CREATE TABLE legwork_stat (
    minute INTEGER NOT NULL,
    queue INTEGER NOT NULL,
    kind INTEGER NOT NULL,
    succeeded INTEGER NOT NULL,
    failed INTEGER NOT NULL,
    retried INTEGER NOT NULL,
    cancelled INTEGER NOT NULL,
    ran_for INTEGER NOT NULL,
    PRIMARY KEY (minute, queue, kind)
) STRICT, WITHOUT ROWID;
CREATE TABLE legwork_tag (
    tag TEXT NOT NULL,
    id INTEGER NOT NULL,
    PRIMARY KEY (tag, id)
) STRICT, WITHOUT ROWID;
CREATE TABLE legwork_waiting (
    id INTEGER PRIMARY KEY,
    open INTEGER NOT NULL CHECK (open > 0),
    delay INTEGER,
    start_at INTEGER
) STRICT;
CREATE INDEX legwork_dependency_child ON legwork_dependency (child);
CREATE UNIQUE INDEX legwork_due_job ON legwork_due (id);
CREATE INDEX legwork_due_retry ON legwork_due (run_at, id) WHERE failures > 0;
CREATE INDEX legwork_event_job ON legwork_event (id, n);
CREATE INDEX legwork_lease_server ON legwork_lease (server);
CREATE INDEX legwork_outcome_cancelled ON legwork_outcome (ended_at, id) WHERE result = 3;
CREATE INDEX legwork_outcome_failed ON legwork_outcome (ended_at, id) WHERE result = 2;
CREATE INDEX legwork_outcome_succeeded ON legwork_outcome (ended_at, id) WHERE result = 1;
CREATE INDEX legwork_ready_again ON legwork_ready (first) WHERE seq <> first;
CREATE INDEX legwork_recurring_next ON legwork_recurring (next_at) WHERE ended = 0;
CREATE INDEX legwork_server_gone ON legwork_server (gone_at)
    WHERE gone_at IS NOT NULL AND info IS NOT NULL;
CREATE INDEX legwork_server_live ON legwork_server (id) WHERE gone_at IS NULL;
