"""A model of the whole: what AWS allows, and how the handler uses it.

It simulates discrete events in virtual time, from a seed, without AWS. What it leaves out:

- DynamoDB splits a hot partition, and allows bursts above its limits. Neither is guaranteed, so a
  partition key always has one partition here, which never exceeds its limit in any second.
- botocore's retry quota, which ends retries early where nearly all calls fail.
- Single ticks: a symbol's arrive evenly, and its price falls evenly, so a late one fires nothing.
- Cold starts, and Lambda's scaling back when there is little traffic.
"""
