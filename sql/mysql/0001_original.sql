-- The schema of the original Lars (base/sql/lars_dns.sql), names and columns as they are there. On a database of
-- the original every statement finds its table and leaves it alone.
CREATE TABLE IF NOT EXISTS RouteData (
  id int(10) unsigned NOT NULL AUTO_INCREMENT,
  modid int(10) unsigned NOT NULL,
  cmdid int(10) unsigned NOT NULL,
  serverip int(10) unsigned NOT NULL,
  serverport int(10) unsigned NOT NULL,
  PRIMARY KEY (id)
) ENGINE=InnoDB AUTO_INCREMENT=116064 DEFAULT CHARSET=utf8;

CREATE TABLE IF NOT EXISTS RouteVersion (
  id int(10) unsigned NOT NULL AUTO_INCREMENT,
  version int(10) unsigned NOT NULL,
  PRIMARY KEY (id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8;

INSERT INTO RouteVersion (id, version) VALUES (1, 0) ON DUPLICATE KEY UPDATE id = VALUES(id);

CREATE TABLE IF NOT EXISTS RouteChange (
  id int(10) unsigned NOT NULL AUTO_INCREMENT,
  modid int(10) unsigned NOT NULL,
  cmdid int(10) unsigned NOT NULL,
  version bigint(20) unsigned NOT NULL,
  PRIMARY KEY (id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8;

CREATE TABLE IF NOT EXISTS ServerCallStatus (
  modid int(11) NOT NULL,
  cmdid int(11) NOT NULL,
  ip int(10) unsigned NOT NULL,
  port int(10) unsigned NOT NULL,
  caller int(10) unsigned NOT NULL,
  succ_cnt int(11) NOT NULL,
  err_cnt int(11) NOT NULL,
  ts bigint(20) NOT NULL,
  overload char(1) NOT NULL,
  PRIMARY KEY (modid, cmdid, ip, port, caller),
  KEY mlb_index (modid, cmdid, ip, port, caller)
) ENGINE=InnoDB DEFAULT CHARSET=utf8;

CREATE TABLE IF NOT EXISTS ModIDConfig (
  id int(10) unsigned NOT NULL AUTO_INCREMENT,
  modid int(10) unsigned NOT NULL,
  content char(255) NOT NULL,
  PRIMARY KEY (id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8;

CREATE TABLE IF NOT EXISTS CmdIDConfig (
  id int(10) unsigned NOT NULL AUTO_INCREMENT,
  cmdid int(10) unsigned NOT NULL,
  content char(255) NOT NULL,
  PRIMARY KEY (id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8;
