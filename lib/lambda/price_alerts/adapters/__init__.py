"""Where the function meets AWS: DynamoDB's items, SQS's records, SNS, the log."""
