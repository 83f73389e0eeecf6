SELECT m.node_id, m.name, m.host, m.port, m.epoch FROM troupe.members() m
