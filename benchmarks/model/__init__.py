"""A model of the whole: what AWS allows, and what the handler asks of it.

It plays discrete events in virtual time, from a seed, and needs no AWS. What it leaves out:

- DynamoDB splits a hot partition, and allows bursts above its limits. Neither is promised, so a
  partition key has one partition for good here, which never gives more than its limit in a second.
- botocore's retry quota, which ends retries early where nearly all calls fail.
- Single ticks: a symbol's come evenly, and its price falls evenly, so a late one fires nothing.
- Cold starts, and Lambda's scaling back when there is little traffic.
"""
