"""The screens, one file each: choose, ask the services, show."""
