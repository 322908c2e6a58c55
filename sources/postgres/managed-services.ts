/** What is said otherwise on a service that runs PostgreSQL for its users: there the plain statements are not allowed. */
export interface ManagedService {
  /** A role that only this service has, by which it is told. */
  readonly role: string;
  readonly walLevel: string;
  /** The statement that lets a user replicate; the plain one where it is missing. */
  readonly replication?: (quotedUser: string) => string;
}

/** From the services' own manuals. */
const SERVICES: readonly ManagedService[] = [
  {
    role: 'rds_replication',
    walLevel: 'Set rds.logical_replication = 1 in the parameter group of the instance (RDS) or of the cluster (Aurora); then reboot it.',
    replication: (quotedUser) => `GRANT rds_replication TO ${quotedUser};`,
  },
  { role: 'cloudsqlsuperuser', walLevel: 'Set the flag cloudsql.logical_decoding = on of the Cloud SQL instance, which restarts it.' },
  { role: 'azure_pg_admin', walLevel: 'Set the server parameter wal_level = logical of the Azure server; then restart it.' },
  { role: 'neon_superuser', walLevel: 'Switch on logical replication in the settings of the Neon project; this restarts its computes.' },
];

export const SERVICE_ROLES: readonly string[] = SERVICES.map(({ role }) => role);

/** `role` is the one of `SERVICE_ROLES` that the server has, if any. */
export function serviceOf(role: string | null): ManagedService | undefined {
  return SERVICES.find((service) => service.role === role);
}
