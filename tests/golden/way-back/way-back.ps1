# The way back of a plan of stagepost: the cloud, newest first.
# Contoso, tenant 00000000-0000-4000-8000-000000000001, plan of 2026-11-20 09:00 UTC, hash aa11
# Read README.txt beside it first.

# remove: wave-01
# final: nothing is copied from on premises any more; a new batch would begin anew

# exchange::invoke: Set-OrganizationConfig
# final: a raw call has no before-image; look by hand

# mailbox_kind: ann@contoso.test
if (Get-Mailbox -Identity 'ann@contoso.test' -ErrorAction SilentlyContinue) { Set-Mailbox -Identity 'ann@contoso.test' -Type Regular -Confirm:$false }

# start: wave-01
# Their mail goes to the cloud since the start; way-back.ldif takes the forwarding away.
# What lies in the cloud mailboxes by then is not carried home by this file.
if (Get-MigrationBatch -Identity 'wave-01' -ErrorAction SilentlyContinue) { Stop-MigrationBatch -Identity 'wave-01' -Confirm:$false }

# batch: wave-01
if (Get-MigrationBatch -Identity 'wave-01' -ErrorAction SilentlyContinue) { Remove-MigrationBatch -Identity 'wave-01' -Confirm:$false }

# endpoint: Ann’s endpoint
if (Get-MigrationEndpoint -Identity 'Ann’’s endpoint' -ErrorAction SilentlyContinue) { Set-MigrationEndpoint -Identity 'Ann’’s endpoint' -MaxConcurrentMigrations '20' -Confirm:$false }

# endpoint: on-premises
if (Get-MigrationEndpoint -Identity 'on-premises' -ErrorAction SilentlyContinue) { Remove-MigrationEndpoint -Identity 'on-premises' -Confirm:$false }

# What stays as it is:
# license::assign: eve@contoso.test and 1 more: a licence that is taken away disconnects its mailbox at once; mail that came to the cloud is in it
# domain::verify: contoso.test and 1 more: a domain is not removed: addresses of users hang on it
# domain::add: contoso.test: a domain is not removed: addresses of users hang on it
