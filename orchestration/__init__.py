"""When and where it runs: definitions, jobs, schedules, sensors, command line."""
