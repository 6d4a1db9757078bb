"""Which encoder do people prefer? Blind rounds, rooms for a class, pooled judging."""
