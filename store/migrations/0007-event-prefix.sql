-- Ids are hashes: their first 8 bytes find an event as well as all 32 do, and an index of a third
-- of the size has a third of the pages that a batch of new events, each somewhere else in it,
-- writes. What is found is compared whole; that an id is there once is seen to before it is put.
DROP INDEX event_by_id;
CREATE INDEX event_by_id ON event (substr(event_id, 1, 8));
