flexc_unit_test(cli_shape LIBS flexc_cli)
flexc_unit_test(profile_fit LIBS flexc_cli)
