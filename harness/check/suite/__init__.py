"""The rules as a test suite for a cache author's own CI, one test a rule and a check.

    pytest --cache mypkg.mod:factory --pyargs harness.check.suite

Everything runs once, in the check process; each test tells one result.
"""
