//! Logs of records, judged as Jepsen's Kafka workload judges them.
