"""Local engines as child processes: started, watched, restarted, ended with us."""
