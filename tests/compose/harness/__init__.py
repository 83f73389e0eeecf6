"""The parts of tests/compose/run: namespaces, engine, images, and the cluster that the cases look at."""
