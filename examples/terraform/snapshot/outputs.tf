output "key" {
  description = "The key of the snapshot. What uses it waits until the snapshot is there."
  value       = terraform_data.snapshot.output
}
