"""From vectors to a map: positions on a plane, what they hide, and where something new belongs."""
