"""Writes the environment that libpq reads: where the SQL port is, and a login for it."""

from door import host, login, port

answer = login()
print(f"PGHOST={host}\nPGPORT={port}\nPGDATABASE=dev\nPGUSER={answer['user']}\nPGPASSWORD={answer['password']}")
