SELECT m.node_id FROM troupe.members_expired() m (node_id)
