"""What tests of several folders share: real and mocked brokers, foreign consumers, checks for leaks. No test is in
here.
"""
