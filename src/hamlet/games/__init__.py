"""Games in normal form: what is played if nobody can gain by leaving alone."""
