// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {ERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/ERC20Permit.sol";
import {ERC3009} from "@openzeppelin/contracts/token/ERC20/extensions/draft-ERC3009.sol";

/// @title The devnet's dollar: six decimals, minted by anybody, EIP-2612 and EIP-3009 like USDC.
/// @dev For development chains only: the faucet is open.
contract TestDollar is ERC20, ERC20Permit, ERC3009 {
    /// @notice Most that one call of the faucet gives: a million dollars.
    uint256 public constant FAUCET_MAX = 1_000_000e6;

    error FaucetTooMuch(uint256 amount, uint256 most);

    constructor() ERC20("AIGEN Test Dollar", "USDC") ERC20Permit("AIGEN Test Dollar") {}

    /// @notice Gives `amount` of new test dollars to `to`.
    function mint(address to, uint256 amount) external {
        if (amount > FAUCET_MAX) revert FaucetTooMuch(amount, FAUCET_MAX);
        _mint(to, amount);
    }

    /// @inheritdoc ERC20
    function decimals() public pure override returns (uint8) {
        return 6;
    }
}
