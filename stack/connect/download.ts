import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { cacheFolder, provide } from '../cache.ts';
import { findJava, runMaven } from '../download.ts';
import type { Progress } from '../service.ts';

const DEBEZIUM_VERSION = '3.5.0.Final';
const CONNECT_VERSION = '4.3.1';
const CONVERTER_VERSION = '2.6.13.Final';
const LOG4J_VERSION = '2.25.5';
const FOLDER_NAME = `debezium-${DEBEZIUM_VERSION}-jdbc-connect-${CONNECT_VERSION}`;

export const CONNECT_TITLE = `Debezium ${DEBEZIUM_VERSION} on Kafka Connect ${CONNECT_VERSION}`;

/** One pom for all of it: resolved apart, two versions of the Kafka client meet on one class path. */
const POM = `<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>dbmazz.bench</groupId>
  <artifactId>debezium</artifactId>
  <version>1</version>
  <packaging>pom</packaging>
  <dependencies>
    <dependency><groupId>io.debezium</groupId><artifactId>debezium-connector-postgres</artifactId><version>${DEBEZIUM_VERSION}</version></dependency>
    <dependency><groupId>io.debezium</groupId><artifactId>debezium-connector-jdbc</artifactId><version>${DEBEZIUM_VERSION}</version></dependency>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>connect-runtime</artifactId><version>${CONNECT_VERSION}</version></dependency>
    <dependency><groupId>io.apicurio</groupId><artifactId>apicurio-registry-utils-converter</artifactId><version>${CONVERTER_VERSION}</version></dependency>
    <dependency><groupId>org.apache.logging.log4j</groupId><artifactId>log4j-slf4j-impl</artifactId><version>${LOG4J_VERSION}</version></dependency>
  </dependencies>
</project>
`;

export interface InstalledConnect {
  readonly javaFile: string;
  readonly classPath: string;
}

/** Debezium's source for PostgreSQL and its JDBC sink, with their worker, from the user's cache, downloaded on first use. Rejects with the sentence on prerequisites if Java or Maven is missing. */
export async function provideConnect(onProgress: Progress): Promise<InstalledConnect> {
  const java = await findJava({ maven: !existsSync(join(cacheFolder(), FOLDER_NAME)) });
  const home = await provide(FOLDER_NAME, async (folder) => {
    await writeFile(join(folder, 'pom.xml'), POM);
    const args = ['dependency:copy-dependencies', `-DoutputDirectory=${join(folder, 'libs')}`];
    await runMaven(folder, args, { title: CONNECT_TITLE, size: '78 MB', onProgress });
  });
  return { javaFile: java.file, classPath: join(home, 'libs', '*') };
}
