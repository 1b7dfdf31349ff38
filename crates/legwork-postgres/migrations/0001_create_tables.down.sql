-- breaking: yes
-- Removes everything that the step made; the data is gone.
DROP FUNCTION legwork.enqueue;
DROP FUNCTION legwork.depth(text);
DROP FUNCTION legwork.check_name(text, text);
DROP FUNCTION legwork.refuse(text);
DROP TABLE legwork.stat;
DROP TABLE legwork.tag;
DROP TABLE legwork.progress;
DROP TABLE legwork.result;
DROP TABLE legwork.pause;
DROP TABLE legwork.occurrence;
DROP TABLE legwork.recurring;
DROP TABLE legwork.cancel;
DROP TABLE legwork.server;
DROP TABLE legwork.event;
DROP TABLE legwork.outcome;
DROP TABLE legwork.lease;
DROP TABLE legwork.dependency;
DROP TABLE legwork.waiting;
DROP TABLE legwork.due;
DROP TABLE legwork.ready;
DROP TABLE legwork.job;
DROP TABLE legwork.kind;
DROP TABLE legwork.queue;
DROP TABLE legwork.installation;
DROP SEQUENCE legwork.lease_number;
DROP SEQUENCE legwork.number;
